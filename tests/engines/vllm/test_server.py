"""A real vLLM server that steers, compiled: what it says over HTTP is what the default engine says in this process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")
pytest.importorskip("openai")

import trimtab as tt
from trimtab.engines import Model
from trimtab.engines.vllm.http import Served, request_fields, steer
from trimtab.engines.vllm.wire.spec import KEY, Spec
from trimtab.errors import SettingError
from trimtab.models import Backbone
from trimtab.models.bundled import BUNDLED, resolve
from trimtab.steering import Intervention, steering

pytestmark = pytest.mark.vllm

START_SECONDS = 400
LAYER, TOKENS = 14, 16
PROMPTS = [
    "How was your day?",
    "Tell me about the weather in the mountains, and what one should take along for a walk in the morning.",
    "What do you think of Mondays?",
]


@pytest.fixture(scope="module")
def model(smol: Backbone) -> Model:
    """The default engine, which is right by its own tests."""
    return Model(smol)


@pytest.fixture(scope="module")
def vector(model: Model) -> tt.SteeringVector:
    return tt.extract(model, tt.dataset("cheerful")[:20])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, vector: tt.SteeringVector) -> Iterator[Served]:
    """The server with the bundled model, and one vector that was there when it started."""
    folder = tmp_path_factory.mktemp("vectors")
    vector.save(folder / "cheerful.safetensors")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    options = {
        "model": resolve(BUNDLED),
        "served-model-name": "small",
        "host": "127.0.0.1",
        "port": port,
        "dtype": "float32",
        "max-model-len": 512,
        "max-num-seqs": 16,
        "block-size": 32,
        "additional-config": f'{{"{KEY}": {{"vectors": "{folder}"}}}}',
    }
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += [f"--{name}={value}" for name, value in options.items()]
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_USE_V2_MODEL_RUNNER": "0"}
    environment = {**os.environ, **settings, "NO_PROXY": "127.0.0.1"}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)
    try:
        until_ready(process, f"http://127.0.0.1:{port}/health", log)
        yield Served(f"http://127.0.0.1:{port}", folder=folder)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(1)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-5000:]}")


def expected(model: Model, prompts: list[str], cells: list[Intervention | None]) -> list[str]:
    return model.generate(prompts, interventions=cells, max_new_tokens=TOKENS)


def test_unsteered_answers_are_the_default_engines(served: Served, model: Model) -> None:
    assert served.generate(PROMPTS, max_new_tokens=TOKENS) == expected(model, PROMPTS, [None] * len(PROMPTS))


def test_steered_answers_are_the_default_engines(served: Served, model: Model, vector: tt.SteeringVector) -> None:
    """Every policy, in company of unsteered requests and of other steering."""
    settings = [(0.2, "all"), (-0.2, "after_prompt"), (0.3, "generated"), (0.15, "prompt")]
    specs = [steer("cheerful", LAYER, a, scale="relative", positions=where) for a, where in settings]
    cells = [steering(vector, LAYER, a, scale="relative", positions=where) for a, where in settings]
    prompts = [prompt for prompt in PROMPTS for _ in range(1 + len(specs))]
    found = served.generate(prompts, steering=[None, *specs] * len(PROMPTS), max_new_tokens=TOKENS)
    assert found == expected(model, prompts, [None, *cells] * len(PROMPTS))
    assert len(set(found)) > len(PROMPTS), "something was steered"


def test_several_layers_and_vectors_are_the_default_engines(
    served: Served, model: Model, vector: tt.SteeringVector
) -> None:
    served.publish("calm", -vector)
    spec = steer("cheerful", [10, 20], 0.3, scale="relative", share_strength=True).and_also(
        steer("calm", 20, 1.0, scale="project_out")
    )
    cell = steering(vector, [10, 20], 0.3, scale="relative", share_strength=True).and_also(
        steering(-vector, 20, 1.0, scale="project_out")
    )
    found = served.generate(PROMPTS, steering=spec, max_new_tokens=TOKENS)
    assert found == expected(model, PROMPTS, [cell] * len(PROMPTS))


def test_a_stream_is_the_same_answer(served: Served) -> None:
    spec = steer("cheerful", LAYER, 0.2, scale="relative")
    pieces = list(served.stream(PROMPTS[0], steering=spec, max_new_tokens=TOKENS))
    assert len(pieces) > 1
    assert "".join(pieces).strip() == served.generate(PROMPTS[:1], steering=spec, max_new_tokens=TOKENS)[0]


@pytest.mark.parametrize("positions", ["all", "after_prompt", "prompt"])
def test_steered_keys_and_values_are_never_read_by_other_requests(
    served: Served, model: Model, vector: tt.SteeringVector, positions: str
) -> None:
    """Also without the salt that a careful client sends: the plugin names the blocks itself."""
    prompt = f"{positions}: {PROMPTS[1] * 3}"  # several blocks, in no other test's cache
    strong = steer("cheerful", LAYER, 0.5, scale="relative", positions=positions)
    cell = steering(vector, LAYER, 0.5, scale="relative", positions=positions)
    weak = steer("cheerful", LAYER, 0.1, scale="relative", positions=positions)
    weak_cell = steering(vector, LAYER, 0.1, scale="relative", positions=positions)
    clean, pushed, less = expected(model, [prompt] * 3, [None, cell, weak_cell])
    assert clean != pushed

    def ask(**fields: object) -> str:
        answer = served._client.chat.completions.create(
            model="small",
            messages=[{"role": "user", "content": prompt}],
            max_tokens=TOKENS,
            temperature=0,
            extra_body=fields,
        )
        return str(answer.choices[0].message.content).strip()

    unsalted, unsalted_weak = ({"vllm_xargs": request_fields(spec)["vllm_xargs"]} for spec in (strong, weak))
    assert ask(**unsalted) == pushed
    assert ask() == clean
    assert ask(**unsalted_weak) == less
    assert ask(**unsalted) == pushed
    assert ask(**request_fields(strong)) == pushed
    assert ask() == clean


def test_a_reply_that_becomes_the_next_prompt_does_not_bring_its_steering_along(
    served: Served, model: Model, vector: tt.SteeringVector
) -> None:
    """The reply's tokens were pushed when they were written; in the next prompt they are not."""
    talk = [{"role": "user", "content": PROMPTS[0]}]
    spec = steer("cheerful", LAYER, 0.5, scale="relative", positions="after_prompt")
    cell = steering(vector, LAYER, 0.5, scale="relative", positions="after_prompt")
    (reply,) = served.generate([talk], steering=spec, max_new_tokens=80)  # type: ignore[list-item]
    talk = [*talk, {"role": "assistant", "content": reply}, {"role": "user", "content": "And then?"}]
    found = served.generate([talk, talk], steering=[spec, None], max_new_tokens=TOKENS)  # type: ignore[list-item]
    assert found == expected(model, [talk, talk], [cell, None])  # type: ignore[list-item]


def test_a_vector_that_is_published_later_is_found(served: Served, model: Model, vector: tt.SteeringVector) -> None:
    late = steer("late", LAYER, 0.2, scale="relative")
    with pytest.raises(SettingError, match="refuses: no vector 'late'"):
        served.generate(PROMPTS[:1], steering=late)
    served.publish("late", vector.unit())
    cell = steering(vector.unit(), LAYER, 0.2, scale="relative")
    assert served.generate(PROMPTS, steering=late, max_new_tokens=TOKENS) == expected(model, PROMPTS, [cell] * 3)


def test_several_answers_to_one_request_are_each_steered_also_if_nobody_has_asked_for_the_vector_before(
    served: Served, model: Model, vector: tt.SteeringVector
) -> None:
    served.publish("twice", vector * 2.0)
    answer = served._client.chat.completions.create(
        model="small",
        messages=[{"role": "user", "content": PROMPTS[0]}],
        max_tokens=TOKENS,
        n=2,  # which vLLM only draws: with top_k 1, the likeliest all the same
        temperature=1,
        extra_body={**request_fields(steer("twice", LAYER, 0.1)), "top_k": 1},
    )
    (alone,) = expected(model, PROMPTS[:1], [steering(vector * 2.0, LAYER, 0.1)])
    assert [str(choice.message.content).strip() for choice in answer.choices] == [alone, alone]
    assert alone != expected(model, PROMPTS[:1], [None])[0]


def test_a_vector_whose_file_is_replaced_is_another_from_then_on(
    served: Served, model: Model, vector: tt.SteeringVector
) -> None:
    """Also where the former's keys and values lie in the cache."""
    assert served.folder is not None
    spec = steer("changing", LAYER, 0.4, scale="relative")
    found = []
    for now in (vector, -vector):
        now.save(Path(served.folder) / "changing.safetensors")
        found.append(served.generate(PROMPTS[1:2], steering=spec, max_new_tokens=TOKENS))
    cells = [steering(now, LAYER, 0.4, scale="relative") for now in (vector, -vector)]
    assert found == [expected(model, PROMPTS[1:2], [cell]) for cell in cells]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (steer("nobody", 1), "no vector 'nobody'; the folder has .*cheerful"),
        (steer("cheerful", 30), "layer 30 is out of range: this model has layers 0 to 29"),
        (steer("broken", 1), "not a readable safetensors file"),
        (steer("small", 1), "is for a model of 2 layers × 3"),
    ],
)
def test_steering_that_cannot_be_done_is_refused_in_words_and_the_server_goes_on(
    served: Served, model: Model, vector: tt.SteeringVector, wrong: Spec, said: str
) -> None:
    assert served.folder is not None
    (Path(served.folder) / "broken.safetensors").write_bytes(b"no vector")
    if not (Path(served.folder) / "small.safetensors").exists():
        made = replace(vector.provenance, first_token_ratio=())
        served.publish("small", tt.SteeringVector(vector.direction[:2, :3], vector.require_residual_norm()[:2], made))
    with pytest.raises(SettingError, match=f"refuses: .*{said}"):
        served.generate(PROMPTS, steering=wrong)
    assert served.generate(PROMPTS[:1], max_new_tokens=TOKENS) == expected(model, PROMPTS[:1], [None])


def test_what_is_no_spec_is_refused_by_the_server(served: Served) -> None:
    import openai

    for given in ("?", "{}}", '{"layer": 3}', '{"pushes": ' + "[" * 5000, 3, ["cheerful"]):
        with pytest.raises(openai.BadRequestError, match=KEY):
            served._client.chat.completions.create(
                model="small",
                messages=[{"role": "user", "content": "?"}],
                max_tokens=1,
                extra_body={"vllm_xargs": {KEY: given}},
            )


def test_the_completions_interface_steers_too(served: Served, model: Model, vector: tt.SteeringVector) -> None:
    tokens = list(model.tokens(PROMPTS[0]))
    answer = served._client.completions.create(
        model="small",
        prompt=tokens,
        max_tokens=TOKENS,
        temperature=0,
        extra_body=request_fields(steer("cheerful", LAYER, 0.2, scale="relative")),
    )
    cell = steering(vector, LAYER, 0.2, scale="relative")
    assert answer.choices[0].text.strip() == expected(model, PROMPTS[:1], [cell])[0]
