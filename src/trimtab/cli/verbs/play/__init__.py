"""`trimtab play`: a run's vectors on a page with sliders."""

from trimtab.cli.verbs.play.play_command import command

__all__ = ["command"]
