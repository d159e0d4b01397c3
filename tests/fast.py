"""What `make test-fast` runs: the essentials of every package, in under a minute on two cores.

`pytest --fast` collects the files below only, so that the others are not even imported. Of these it leaves out tests
that run the bundled model (fixture `smol`, marker `bundled`) and all but one architecture of the fixture `backbone`. A
file belongs here if it shows what its package is for and takes no more than about two seconds of processor time;
`pytest --fast --durations=20` shows what takes longest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ONE_FAMILY = "llama"
BUNDLED_FIXTURES = {"smol"}
LEFT_OUT_MARKERS = {"bundled", "slow", "vllm"}
SECONDS = {
    "test_an_imported_run_can_be_reported",
    "test_every_figure_is_drawn_and_its_numbers_are_those_of_the_object",
    "test_many_lines_and_many_values_are_refused_before_they_fill_the_memory",
    "test_the_command_reads_lines_until_the_input_ends",
    "test_the_cost_is_the_calls_that_the_server_then_sees",
    "test_the_report_divides_by_what_is_asked_and_shows_the_rates",
    "test_what_was_measured_is_said_in_sentences",
}
"""Single tests of these files that draw a report or wait for a server."""
FILES = {
    ".": ("test_fast", "test_imports", "test_structure", "test_writers"),
    "baking": ("test_bake",),
    "analysis": ("test_choice", "test_coherence", "test_formatting", "test_letters", "test_steerability"),
    "analysis/diagnosis": ("test_flags", "test_split_halves"),
    "cli": ("test_terminal",),
    "data": (
        "test_balance", "test_builtin", "test_evals_format", "test_jsonl_lines", "test_pairs_format", "test_records",
        "test_splits",
    ),
    "docs": ("test_pages", "test_words"),
    "engines": ("test_layer_arguments", "test_same_site", "test_sweep_exact", "test_token_tree"),
    "engines/vllm": ("test_cache_keys", "test_spec"),
    "evaluation": ("test_answers", "test_grid", "test_variations"),
    "generation": ("test_checks", "test_duplicates", "test_reading"),
    "harnesses": ("test_steered_model",),
    "importing": ("test_importing",),
    "inputs": ("test_files", "test_secrets", "test_yaml_text"),
    "judges": ("test_cost", "test_pattern", "test_verdicts"),
    "models": ("test_facts", "test_prompts"),
    "monitors": ("test_conversations", "test_probes"),
    "notebook": ("test_figures",),
    "report": ("test_charts", "test_files"),
    "serve": ("test_chat", "test_steering_request", "test_text_cutter"),
    "sharing": ("test_shared_folder",),
    "steering": ("test_hooks", "test_interventions"),
    "store": ("test_manifest", "test_table_schemas"),
    "study": ("test_hints", "test_settings", "test_strict_settings"),
    "util": ("test_registry", "test_spreadsheet"),
    "vectors": (
        "test_aggregations", "test_contrasts", "test_differences", "test_steering_vector", "test_steering_vector_file",
    ),
}  # fmt: skip
"""Folder and files."""


def paths() -> list[Path]:
    """Every file that the fast tests collect."""
    return [TESTS / folder / f"{name}.py" for folder, names in FILES.items() for name in names]


def reason_left_out(item: pytest.Item) -> str:
    """Why the fast tests leave out a test of these files; empty where they run it."""
    if any(item.get_closest_marker(marker) for marker in LEFT_OUT_MARKERS):
        return "marked"
    if getattr(item, "originalname", item.name) in SECONDS:
        return "takes seconds"
    if BUNDLED_FIXTURES & set(getattr(item, "fixturenames", ())):
        return "runs the bundled model"
    call = getattr(item, "callspec", None)
    family = call.params.get("backbone") if call else None
    if family is not None and family != ONE_FAMILY:
        return "another architecture"
    return ""


def left_out(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests that the fast tests leave out."""
    return [item for item in items if reason_left_out(item)]
