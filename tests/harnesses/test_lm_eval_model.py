"""lm-eval over a steered model: unsteered as its own `hf`, steered as a loop with plain hooks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

pytest.importorskip("lm_eval")

from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model
from lm_eval.tasks import TaskManager

import oracle
import trimtab as tt
from harnesses.saved_models import LAYER, STRENGTH, Saved, saved
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.harnesses.lm_eval_model import SteeredLM
from trimtab.harnesses.lm_harness import main
from trimtab.vectors.exports.exported_vectors import export_vector

QUESTIONS: list[dict[str, Any]] = [
    {"question": "What do you say?", "choices": ["Good morning", "No", "Perhaps later"], "gold": 0, "text": "a text"},
    {
        "question": "And then?",
        "choices": ["Nothing", "Nothing at all", " x"],
        "gold": 1,
        "text": "another, longer text",
    },
    {"question": "Far too long? " * 30, "choices": ["Yes", "No", "Hm"], "gold": 0, "text": "a b"},
    {"question": "Why?", "choices": ["Because", "Who knows", "Never"], "gold": 2, "text": "one more text " * 30},
]
CHOICE = {
    "task": "choices", "output_type": "multiple_choice", "test_split": "test", "doc_to_text": "Q: {{question}}\nA:",
    "doc_to_target": "{{gold}}", "doc_to_choice": "{{choices}}",
    "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
}  # fmt: skip
ROLLING = {
    "task": "rolling", "output_type": "loglikelihood_rolling", "test_split": "test", "doc_to_text": "",
    "doc_to_target": "{{text}}", "metric_list": [{"metric": "word_perplexity"}],
}  # fmt: skip
WRITTEN = {
    "task": "written", "output_type": "generate_until", "test_split": "test", "doc_to_text": "{{question}}",
    "doc_to_target": "x", "generation_kwargs": {"max_gen_toks": 12, "until": ["~"]},
    "metric_list": [{"metric": "exact_match"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("lm-eval")
    return saved(folder)


def tasks(folder: Path, *configs: dict[str, Any]) -> tuple[TaskManager, list[str]]:
    """Tasks over a local file; nothing is fetched."""
    (folder / "test.jsonl").write_text("".join(json.dumps(one) + "\n" for one in QUESTIONS), encoding="utf-8")
    for config in configs:
        place = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / "test.jsonl")},
                                                            "cache_dir": str(folder / "cache")}}  # fmt: skip
        (folder / f"{config['task']}.yaml").write_text(json.dumps({**config, **place}), encoding="utf-8")
    return TaskManager(include_path=str(folder), include_defaults=False), [config["task"] for config in configs]


def evaluated(folder: Path, model: str, arguments: dict[str, Any], *configs: dict[str, Any], **more: Any) -> Any:
    manager, names = tasks(folder, *configs)
    return simple_evaluate(
        model=model, model_args=arguments, tasks=names, task_manager=manager, bootstrap_iters=0, **more
    )


def answers(results: Any, task: str) -> list[Any]:
    return [sample["resps"] for sample in results["samples"][task]]


def flat(found: Any) -> list[float]:
    return [float(x) for one in found for x in (flat(one) if isinstance(one, list | tuple) else [one])]


@pytest.mark.parametrize("begins", [False, True])
def test_unsteered_it_is_lm_evals_own_model_of_transformers(tmp_path: Path, begins: bool) -> None:
    files = saved(tmp_path, begins=begins)
    assert (tt.load(files.model).backbone.tokenizer("x")["input_ids"][0] == 1) == begins
    configs = (CHOICE, ROLLING, WRITTEN)
    theirs = evaluated(tmp_path, "hf", {"pretrained": files.model, "dtype": "float32", "device": "cpu"}, *configs)
    ours = evaluated(tmp_path, "trimtab", {"model": files.model, "dtype": "float32"}, *configs)
    assert flat(answers(ours, "choices")) == pytest.approx(flat(answers(theirs, "choices")), abs=1e-4)
    assert flat(answers(ours, "rolling")) == pytest.approx(flat(answers(theirs, "rolling")), abs=1e-4)
    assert len(QUESTIONS[-1]["text"]) > 256  # tokens of a byte-level tokenizer: more than one window
    assert len(QUESTIONS[2]["question"]) > 256  # truncated
    assert answers(ours, "written") == answers(theirs, "written")
    assert any(text for one in answers(ours, "written") for (text,) in one)
    for task in ("choices", "rolling", "written"):
        for metric, value in theirs["results"][task].items():
            if isinstance(value, float):
                assert ours["results"][task][metric] == pytest.approx(value, rel=1e-4), metric


def asked(kind: str, *arguments: tuple[Any, ...]) -> list[Instance]:
    return [Instance(kind, {}, one, index) for index, one in enumerate(arguments)]


def log_probs(loaded: tt.Model, tokens: list[int], cell: Any, prompt_length: int) -> Tensor:
    logits, _ = oracle.forward(loaded.backbone, tokens, cell, prompt_length)  # type: ignore[arg-type]
    return logits.log_softmax(-1)


@pytest.mark.parametrize("positions", ["all", "after_prompt"])
def test_steered_it_is_a_loop_with_plain_hooks(files: Saved, positions: str) -> None:
    steered = SteeredLM(files.model, positions=positions, **files.arguments)
    plain = SteeredLM(files.model, dtype="float32")
    loaded, vector = files.load(), tt.SteeringVector.load(files.vector)
    cell = tt.steering(vector, LAYER, STRENGTH, positions=positions)
    contexts = [("Q: Why?\nA:", " Because"), ("Q: Why?\nA:", " Who knows"), ("Hello", " there")]
    found = steered.loglikelihood(asked("loglikelihood", *contexts), disable_tqdm=True)
    unsteered = plain.loglikelihood(asked("loglikelihood", *contexts), disable_tqdm=True)
    for (context, continuation), (total, _), (before, _) in zip(contexts, found, unsteered, strict=True):
        tokens = loaded.backbone.tokenizer.encode(context + continuation)
        start = len(loaded.backbone.tokenizer.encode(context))
        slow = log_probs(loaded, tokens, cell, start)
        expected = sum(float(slow[i - 1, tokens[i]]) for i in range(start, len(tokens)))
        assert total == pytest.approx(expected, abs=1e-4)
        assert abs(total - before) > 1e-2
    (whole,) = steered.loglikelihood_rolling(asked("loglikelihood_rolling", ("a short text",)), disable_tqdm=True)
    tokens = [1, *loaded.backbone.tokenizer.encode("a short text")]
    slow = log_probs(loaded, tokens, cell, 1)
    assert whole == pytest.approx(sum(float(slow[i - 1, tokens[i]]) for i in range(1, len(tokens))), abs=1e-4)


def test_a_constant_push_is_lm_evals_own_steered_model(files: Saved, tmp_path: Path) -> None:
    vector = tt.SteeringVector.load(files.vector)
    export_vector(vector, tmp_path / "kind.pt", to="lm-eval", layer=LAYER, strength=3.0, scale="raw", first_token=True)
    theirs = evaluated(
        tmp_path, "steered", {"pretrained": files.model, "steer_path": str(tmp_path / "kind.pt"), "dtype": "float32",
                              "device": "cpu"}, CHOICE, ROLLING,
    )  # fmt: skip
    push = {"strength": 3.0, "scale": "raw", "first_token": True}
    ours = evaluated(tmp_path, "trimtab", {"model": files.model, **files.arguments, **push}, CHOICE, ROLLING)
    plain = evaluated(tmp_path, "trimtab", {"model": files.model, "dtype": "float32"}, CHOICE)
    for task in ("choices", "rolling"):
        assert flat(answers(ours, task)) == pytest.approx(flat(answers(theirs, task)), abs=1e-4, rel=1e-5)
    assert flat(answers(ours, "choices")) != pytest.approx(flat(answers(plain, "choices")), abs=1.0)


def test_steering_changes_what_is_written_as_generate_does(files: Saved, tmp_path: Path) -> None:
    results = evaluated(tmp_path, "trimtab", {"model": files.model, **files.arguments, "template": "none"}, WRITTEN)
    loaded, vector = files.load(template="none"), tt.SteeringVector.load(files.vector)
    short = [place for place, one in enumerate(QUESTIONS) if len(one["question"]) < 200]  # not truncated
    prompts = [QUESTIONS[place]["question"] for place in short]
    cells = [tt.steering(vector, LAYER, STRENGTH)] * len(prompts)
    expected = loaded.generate(prompts, interventions=cells, max_new_tokens=12)
    # `generate` leaves out half of a character at the end; lm-eval does not.
    written = [text.rstrip("\ufffd").strip() for one in answers(results, "written") for (text,) in one]
    found = [written[place] for place in short]
    assert found == [text.partition("~")[0].strip() for text in expected]
    assert found != loaded.generate(prompts, max_new_tokens=12)


def test_results_hold_the_steering(files: Saved, tmp_path: Path) -> None:
    config = evaluated(tmp_path, "trimtab", {"model": files.model, **files.arguments}, WRITTEN)["config"]
    pushed = config["trimtab"]["steering"]
    assert (pushed["layers"], pushed["strength"], pushed["scale"], pushed["positions"]) == ([1], 0.6, "relative", "all")
    assert len(pushed["vector_hash"]) == 16
    assert config["model_args"]["vector"] == files.vector
    json.dumps(config["trimtab"])


def test_sampled_texts_are_the_same_again_and_differ_between_prompts_and_repeats(files: Saved) -> None:
    options = {"max_gen_toks": 8, "do_sample": True, "temperature": 1.0}
    requests = [("Why?", options), ("Why?", options), ("How?", options)]
    first, second, third = SteeredLM(files.model).generate_until(asked("generate_until", *requests), disable_tqdm=True)
    assert len({first, second, third}) == 3
    again = SteeredLM(files.model).generate_until(asked("generate_until", *requests), disable_tqdm=True)
    assert again == [first, second, third]
    other = SteeredLM(files.model, seed=1).generate_until(asked("generate_until", *requests), disable_tqdm=True)
    assert other != again


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"top_k": 5}, "does not take top_k"),
        ({"do_sample": True}, "needs a temperature"),
        ({"max_gen_toks": 256}, "leaves no room"),
    ],
)
def test_generation_settings_that_it_does_not_have_are_refused(
    files: Saved, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingError, match=words):
        SteeredLM(files.model).generate_until(asked("generate_until", ("Why?", options)), disable_tqdm=True)


def test_generation_settings_that_change_nothing_are_taken(files: Saved) -> None:
    model = SteeredLM(files.model)
    plain, neutral = (
        {"max_gen_toks": 6},
        {"max_gen_toks": 6, "top_k": 0, "num_beams": 1, "do_sample": False, "top_p": 0.9},
    )
    first, second = model.generate_until(asked("generate_until", ("Why?", plain), ("Why?", neutral)), disable_tqdm=True)
    assert first == second != ""


def test_a_batch_size_is_said_to_have_no_effect(files: Saved) -> None:
    with pytest.warns(TrimtabWarning, match="batch sizes have no effect"):
        SteeredLM(files.model, batch_size=8)


def test_hfs_name_for_the_model_is_explained() -> None:
    with pytest.raises(SettingError, match=r"hf calls it pretrained"):
        SteeredLM(pretrained="gpt2")


def test_conversations_are_rendered_by_the_models_template(files: Saved) -> None:
    history = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
    model = SteeredLM(files.model)
    expected = model.tokenizer.apply_chat_template(history, tokenize=False, add_generation_prompt=True)
    assert model.apply_chat_template(history) == expected
    begun = [*history, {"role": "assistant", "content": "The answer is"}]
    assert model.apply_chat_template(begun, add_generation_prompt=False) == expected + "The answer is"


def test_the_command_runs_lm_eval_with_the_model(
    files: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get_model("trimtab") is SteeredLM
    tasks(tmp_path, CHOICE)
    # lm-eval looks through all of its own tasks first, which takes seconds and is not what is tested here.
    monkeypatch.setattr(
        "lm_eval.config.evaluate_config.EvaluatorConfig.process_tasks",
        lambda config, metadata=None: TaskManager(include_path=config.include_path, include_defaults=False),
    )

    def run(**changes: Any) -> int:
        given = {"model": files.model, **files.arguments, **changes}
        typed = ",".join(f"{name}={value}" for name, value in given.items())
        words = ["run", "--model", "trimtab", "--model_args", typed, "--include_path", str(tmp_path),
                 "--tasks", "choices", "--output_path", str(tmp_path / "out")]  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["lm-eval", *words])
        return main()

    assert run(positions="after_prompt") == 0
    (file,) = (tmp_path / "out").rglob("results_*.json")
    steering = json.loads(file.read_text())["config"]["trimtab"]["steering"]
    assert (steering["layers"], steering["positions"]) == ([LAYER], "after_prompt")
    capsys.readouterr()
    assert run(strenght=3) == 2
    assert "did you mean 'strength'?" in capsys.readouterr().err
