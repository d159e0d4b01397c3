"""What comes in from outside: files, JSON and YAML within limits, addresses without keys, text for a terminal.

Every file that a person names is opened by `files`, every JSON or YAML text is parsed by `json_text` or `yaml_text`,
so that a limit or a refusal holds everywhere at once.
"""
