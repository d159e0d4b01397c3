"""inspect_ai over a steered model: its own `eval()`, on tasks that are nowhere but here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import Task, eval
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalLog, list_eval_logs, read_eval_log
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, ContentImage, GenerateConfig, Model, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate
from inspect_ai.tool import ToolInfo
from rich.console import Console

import trimtab as tt
import trimtab.harnesses.inspect_registry
from harnesses.saved_models import LAYER, STRENGTH, Saved, saved
from trimtab.models import Text
from trimtab.vectors import SteeringVector

PROMPTS = ["How was your day?", "And then?", "Why is that so?"]
TOKENS = 10


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return saved(tmp_path_factory.mktemp("inspect"))


@pytest.fixture(scope="module")
def loaded(files: Saved) -> tt.Model:
    return files.load()


@pytest.fixture(scope="module")
def steered(files: Saved) -> Iterator[Model]:
    model = get_model(f"trimtab/{files.model}", memoize=False, **files.arguments)
    yield model
    model.api.close()


def task() -> Task:
    return Task([Sample(prompt, target="x") for prompt in PROMPTS], solver=generate(), scorer=includes())


def evaluated(model: Model, folder: Path, **options: Any) -> EvalLog:
    (log,) = eval(task(), model=model, log_dir=str(folder), display="none", max_tokens=TOKENS, **options)
    assert log.status == "success", log.error
    return log


def completions(log: EvalLog) -> list[str]:
    return [sample.output.completion for sample in sorted(log.samples or [], key=lambda one: (one.epoch, one.id))]


def cell(files: Saved, **options: Any) -> tt.Intervention:
    return tt.steering(SteeringVector.load(files.vector), LAYER, STRENGTH, **options)


def test_steering_changes_the_replies_as_generate_does(
    files: Saved, loaded: tt.Model, steered: Model, tmp_path: Path
) -> None:
    plain = get_model(f"trimtab/{files.model}", memoize=False, dtype="float32")
    expected = loaded.generate(PROMPTS, interventions=[cell(files)] * len(PROMPTS), max_new_tokens=TOKENS)
    assert completions(evaluated(steered, tmp_path)) == expected
    unsteered = completions(evaluated(plain, tmp_path))
    assert unsteered == loaded.generate(PROMPTS, max_new_tokens=TOKENS)
    assert unsteered != expected


def test_the_log_holds_the_steering(files: Saved, steered: Model, tmp_path: Path) -> None:
    log = evaluated(steered, tmp_path)
    assert log.eval.model_args["vector"] == files.vector
    assert (log.eval.model_args["layer"], log.eval.model_args["strength"]) == (LAYER, STRENGTH)
    for sample in log.samples or []:
        about = (sample.output.metadata or {})["trimtab"]
        steering = about["steering"]
        assert (steering["layers"], steering["strength"], steering["scale"]) == ([LAYER], STRENGTH, "relative")
        assert (steering["positions"], len(steering["vector_hash"])) == ("all", 16)
        assert about["fingerprint"]
        assert sample.output.usage is not None
        assert sample.output.usage.output_tokens <= TOKENS
        assert sample.output.choices[0].stop_reason == "max_tokens"


def test_samples_are_written_side_by_side(steered: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    model = steered.api.steered.model
    write = model.replies

    def counted(requests: Any) -> Any:
        sizes.append(len(requests))
        return write(requests)

    monkeypatch.setattr(model, "replies", counted)
    evaluated(steered, tmp_path)
    assert max(sizes) > 1
    assert sum(sizes) == len(PROMPTS)


def test_a_setting_is_a_model(files: Saved, loaded: tt.Model, tmp_path: Path) -> None:
    name = f"trimtab/{files.model}:kind@{STRENGTH}"
    model = get_model(name, memoize=False, vectors=str(Path(files.vector).parent), layer=LAYER, dtype="float32")
    log = evaluated(model, tmp_path)
    assert completions(log) == loaded.generate(PROMPTS, interventions=[cell(files)] * 3, max_new_tokens=TOKENS)
    assert log.eval.model == name


def test_epochs_draw_other_texts_and_the_same_again(files: Saved, tmp_path: Path) -> None:
    def drawn(seed: int | None) -> list[str]:
        model = get_model(f"trimtab/{files.model}", memoize=False, dtype="float32")
        return completions(evaluated(model, tmp_path, epochs=2, temperature=1.0, seed=seed))

    first = drawn(None)
    assert len(set(first)) == 2 * len(PROMPTS)
    assert drawn(None) == first
    assert drawn(7) != first


async def written(model: Model, **config: Any) -> Any:
    return await model.generate(PROMPTS[0], config=GenerateConfig(**{"max_tokens": TOKENS, **config}))


@pytest.mark.anyio
async def test_choices_differ_and_texts_end_at_stop_sequences(steered: Model) -> None:
    several = await written(steered, num_choices=3, temperature=1.0)
    texts = [choice.message.text for choice in several.choices]
    assert len(set(texts)) == 3
    whole = (await written(steered)).completion
    stop = whole[3:5]
    cut = await written(steered, stop_seqs=[stop])
    assert cut.completion == whole[: whole.index(stop)]
    assert cut.choices[0].stop_reason == "stop"


@pytest.mark.anyio
async def test_log_probabilities_are_those_of_the_steered_model(files: Saved, loaded: tt.Model, steered: Model) -> None:
    found = (await written(steered, logprobs=True)).choices[0].logprobs.content
    prompt = loaded.tokens(PROMPTS[0])
    from trimtab.engines import Request, score_tokens

    ((_, reply),) = loaded.replies([Request(prompt, cell(files), TOKENS)])
    ((_, scores),) = score_tokens(loaded, [Text((*prompt, *reply.tokens), len(prompt))], cell(files))
    assert [one.logprob for one in found] == pytest.approx(scores.log_prob.tolist(), abs=1e-4)
    assert scores.is_greedy
    assert (await written(steered)).choices[0].logprobs is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"top_k": 3}, "top_k: trimtab's models have no such generation setting"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"num_choices": 2}, "copies of one"),
        ({"top_p": 0.5}, "without a temperature"),
        ({"top_logprobs": 2, "logprobs": True}, "top_logprobs"),
    ],
)
async def test_generation_settings_that_it_does_not_have_are_refused(
    steered: Model, config: dict[str, Any], words: str
) -> None:
    with pytest.raises(PrerequisiteError, match=words):
        await written(steered, **config)


def test_an_error_is_shown_as_it_is_with_its_brackets_and_without_control(files: Saved) -> None:
    """inspect_ai prints errors by rich, which reads brackets as styles."""
    with pytest.raises(PrerequisiteError) as refused:
        get_model(f"trimtab/{files.model}", vector="[bold]no[/red]\x1b[2J.safetensors", layer=1)
    console = Console(width=1000)
    with console.capture() as shown:
        console.print(refused.value.message)
    assert r"[bold]no[/red]\x1b[2J.safetensors" in shown.get()
    assert "\x1b[2J" not in shown.get()


@pytest.mark.anyio
async def test_settings_that_change_nothing_are_taken(steered: Model) -> None:
    neutral = {"frequency_penalty": 0.0, "presence_penalty": 0.0, "best_of": 1, "top_p": 0.9, "temperature": 0.0}
    assert (await written(steered, **neutral)).completion == (await written(steered)).completion


@pytest.mark.anyio
async def test_tools_that_the_template_does_not_take_and_images_are_refused(steered: Model) -> None:
    with pytest.raises(PrerequisiteError, match=r"gives tools \(search\)"):
        await steered.generate("Hello", tools=[ToolInfo(name="search", description="Searches.")])
    picture = ContentImage(image="data:image/png;base64,iVBORw0KGgo=")
    with pytest.raises(PrerequisiteError, match="a user message holds image"):
        await steered.generate([ChatMessageUser(content=[picture])])


@pytest.mark.anyio
async def test_one_request_that_fails_takes_no_other_with_it(loaded: tt.Model) -> None:
    import torch

    from trimtab.engines import Request
    from trimtab.errors import SettingError
    from trimtab.harnesses._request_batches import RequestBatches
    from trimtab.steering import Intervention

    batches = RequestBatches(loaded)
    good = Request(loaded.tokens("Hello"), None, 4)
    bad = Request(loaded.tokens("Hello"), Intervention({99: torch.ones(48)}, 1.0, "raw"), 4)
    futures = [batches.submit(one) for one in (good, bad, good)]
    assert futures[0].result(60).reply.text == futures[2].result(60).reply.text
    with pytest.raises(SettingError, match="layer 99"):
        futures[1].result(60)
    batches.close()
    with pytest.raises(RuntimeError, match="closed"):
        batches.submit(good).result(1)


@pytest.mark.anyio
async def test_conversations_keep_their_system_message(loaded: tt.Model, files: Saved) -> None:
    model = get_model(f"trimtab/{files.model}", memoize=False, dtype="float32")
    found = await model.generate(
        [ChatMessageSystem(content="Be kind."), ChatMessageUser(content="Hello")], config=GenerateConfig(max_tokens=6)
    )
    asked: Any = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
    assert found.completion == loaded.generate([asked], max_new_tokens=6)[0]
    assert found.usage.input_tokens == len(loaded.tokens(asked)) == len(await model.api.tokenize(
        loaded.backbone.tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    ))  # fmt: skip


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


ENTRY_POINTS = Path(trimtab.harnesses.inspect_registry.__file__).parents[3] / "pyproject.toml"


def test_the_entry_point_makes_the_provider_known_to_the_command(files: Saved, tmp_path: Path) -> None:
    group = pytest.importorskip("tomllib").loads(ENTRY_POINTS.read_text(encoding="utf-8"))["project"]["entry-points"][
        "inspect_ai"
    ]
    about = tmp_path / "packages" / "trimtab_as_installed-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: trimtab-as-installed\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[inspect_ai]\n" + "".join(f"{k} = {v}\n" for k, v in group.items()))
    (tmp_path / "task.py").write_text(
        "from inspect_ai import Task, task\nfrom inspect_ai.dataset import Sample\n"
        "@task\ndef hello():\n    return Task([Sample('Hello')])\n"
    )
    model = [word for name, value in files.arguments.items() for word in ("-M", f"{name}={value}")]
    paths = os.pathsep.join([str(tmp_path / "packages"), *sys.path])

    done = subprocess.run(
        [sys.executable, "-m", "inspect_ai", "eval", "task.py", "--model", f"trimtab/{files.model}", *model,
         "--max-tokens", "5", "--display", "plain"],
        capture_output=True, text=True, timeout=300, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (log,) = list_eval_logs(str(tmp_path / "logs"))
    sample = (read_eval_log(log).samples or [])[0]
    assert (sample.output.metadata or {})["trimtab"]["steering"]["layers"] == [LAYER]


def test_arguments_that_cannot_be_are_refused_without_a_traceback(files: Saved) -> None:
    for arguments, words in (({"strenght": 3}, "did you mean 'strength'"), ({"base_url": "http://x"}, "no base URL")):
        with pytest.raises(PrerequisiteError, match=words):
            get_model(f"trimtab/{files.model}", memoize=False, **arguments)
