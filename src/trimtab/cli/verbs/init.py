"""`trimtab init`: write a study file to begin with."""

from __future__ import annotations

import re
from pathlib import Path

import click

from trimtab._util.atomic_files import write_whole
from trimtab.cli.help_examples import example
from trimtab.cli.next_command import show_next
from trimtab.cli.terminal import echo
from trimtab.errors import SettingError
from trimtab.inputs.characters import character_not_for_names

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")

STUDY = """\
# A study of trimtab: does steering change a behavior of a model, at which layer and strength, and at what cost?
#
#   trimtab study {file} --dry-run    prints the plan and how long it takes
#   trimtab study {file}              runs it into runs/{name}/ and writes report.html there
#
# The same command resumes a study that was stopped. docs/studies.md explains every key.

# The name of the run's folder, runs/{name}/.
name: {name}

# The bundled model, hub ids such as Qwen/Qwen3-0.6B, folders or .gguf files. An entry may also be
# {{id: Qwen/Qwen3-0.6B, dtype: bfloat16, device: cuda}}.
models: [smollm2-135m]

# Built-in behaviors (`trimtab data list`) or files of your own pairs: one JSON object a line with "prompt", "positive"
# and "negative". `trimtab data check FILE` says what is wrong with one.
behaviors: [cheerful]

# Where to push: all, or 9,13,17, or 9:18, or 0.33: by depth.
layers: all

# How far to push, both ways. With `relative` 0.1 is a tenth of each token's own length; `raw` is h + strength · vector.
strengths: [-0.1, 0.1]
scale: relative

# Push only behind prompts that a monitor, from `trimtab monitor fit`, scores above a probability.
# when: {{monitor: monitor.safetensors, above: 0.5}}

# Pairs for the vector, prompts to choose the layer, prompts to report on: three disjoint parts.
split: {{train: 0.5, select: 0.25, test: 0.25}}

# How pairs become a vector: mean, pca, probe, lda, median, single or random.
method: mean

# Are the pairs good, and is the vector steady?
diagnosis: true

# How far does each cell move the model on neutral prompts, in nats?
dose: true

# Replies to prompts in the cells below, judged; the report recommends the setting to use.
replies:
  layers: "0.4:0.8"
  strengths: [-0.2, 0.2]
  prompts: 8          # to choose the setting by, and as many others to report it on
  max_new_tokens: 40
  judges: [classifier]  # trained on your pairs; or {{model: openai/gpt-4o-mini}}, which costs money

# How well does each layer of the vector tell held-out examples apart, without steering?
# projection: true

# What else changes (other behaviors, plain text, easy questions, random directions)? Takes a few minutes more.
# side_effects: true

# Does the effect hold under paraphrases, system prompts and other orders of the options? Takes a few minutes more.
# robustness: true

# Would a system prompt, a few examples or another vector do as much? Takes a few minutes more.
# baselines: true

# Of everything that is drawn: splits, samples, intervals.
seed: 0
"""


@click.command("init", epilog=example("trimtab init study.yaml", "trimtab study study.yaml --dry-run"))
@click.argument("file", type=click.Path(path_type=Path), default=Path("study.yaml"))
def command(file: Path) -> None:
    """Write FILE, a study with a comment for each key, to change and to run; study.yaml by default.

    A file that exists is left as it is.
    """
    if strange := character_not_for_names(str(file)):
        raise SettingError(f"{file}: the name of a file must not hold {strange}")
    if file.exists() or file.is_symlink():
        raise SettingError(f"{file} exists and is left as it is; name another file")
    if not file.parent.is_dir():
        raise SettingError(f"{file}: the folder {file.parent} does not exist")
    name = file.stem if _NAME.fullmatch(file.stem) else "study"
    write_whole(file, STUDY.format(file=file, name=name).encode(), error=SettingError)
    echo(f"{file} is written; change it first")
    show_next(["study", str(file), "--dry-run"], ["study", str(file)])
