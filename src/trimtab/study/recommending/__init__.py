"""The settings that a run recommends, as a file that people read and edit and that every verb takes."""
