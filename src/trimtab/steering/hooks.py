"""Steering an ordinary forward pass or a generation: hooks on the decoder layers, gone when the context ends."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any
from weakref import ReferenceType, ref

from torch import Tensor, nn

from trimtab.errors import ModelError, SettingError, TrimtabWarning
from trimtab.models import Backbone, hidden_of, with_hidden
from trimtab.models.eager import eager
from trimtab.models.kinds.multimodal import require_text
from trimtab.steering._generate_arguments import generation_watched
from trimtab.steering._passes import Pass, Passes
from trimtab.steering._prompt_decisions import PromptDecisions
from trimtab.steering.arming import HookSet, several_act
from trimtab.steering.gates import Decided, PromptGate
from trimtab.steering.interventions import Intervention, check_layers, require_layers
from trimtab.steering.phases import markers_for
from trimtab.steering.positions import is_steered
from trimtab.steering.push_check import PushCheck
from trimtab.steering.pushes import Aim, Pushed, push_further


@contextmanager
def steered(
    backbone: Backbone,
    interventions: Sequence[Intervention | None],
    prompt_lengths: Sequence[int] | None = None,
    *,
    engine: bool = False,
    check: PushCheck | None = None,
) -> Iterator[Steering]:
    """Steer every forward pass that this thread or task makes of the model while the context lasts.

    Args:
        backbone: the model.
        interventions: one for each row of the batch (None: leave the row alone), or a single one for all rows.
        prompt_lengths: tokens of each row's prompt. Without it, the prompt is what transformers' `generate` was called
            with, or what a pass with an empty cache holds; passes that tell neither are refused.
        engine: whether the passes are an engine's own.
        check: what watches that pushes change states; by default one for this context.

    Raises:
        SettingError: for a layer that the model does not have; in the pass itself, for a number of rows that is not
            that of the interventions, for tokens of which nothing tells whether they are prompt, and for a push that
            is rounded away.
        ModelError: in the pass itself, when a steered layer does not run in it.
    """
    check_layers(interventions, len(backbone.anatomy.layers))
    rows = Steering(backbone, interventions, prompt_lengths, check or PushCheck(), engine=engine)
    with eager(), nullcontext() if engine else generation_watched(backbone.model), rows.hooks.armed():
        rows.arm(backbone)
        yield rows


class Steering:
    """Steering that lasts as long as its context. It knows where each token is: positions are absolute."""

    def __init__(
        self,
        backbone: Backbone,
        interventions: Sequence[Intervention | None],
        prompt_lengths: Sequence[int] | None,
        check: PushCheck,
        *,
        engine: bool,
    ):
        self.interventions, self.check = list(interventions), check
        self.passes = self.asked = 0
        """Passes of the model that were steered, and passes that came to be steered, refused ones among them."""
        # A gate may stay shut, and strength 0 is to push nothing.
        parts = [part for cell in interventions if cell is not None for part in cell.parts()]
        self._must_push = any(part.strength and part.gate is None for part in parts)
        self.hooks = HookSet(backbone.model, engine=engine)
        self.layers = sorted({layer for i in interventions if i is not None for layer in i.layers})
        gates = [gate for cell in interventions if cell is not None for gate in cell.prompt_gates]
        require_layers((gate.layer for gate in gates), len(backbone.anatomy.layers))
        self._decisions = PromptDecisions(backbone, gates) if gates else None
        self._places = Passes(
            backbone.model, interventions, prompt_lengths, first_position=backbone.anatomy.first_position,
            markers=markers_for(interventions, backbone), decisions=self._decisions,
        )  # fmt: skip
        self._local = threading.local()  # the pass that a thread is in: tasks may hand a context to several

    def warn_of_nothing(self, used: bool) -> None:
        """At the end of a context: say if nothing was pushed in it.

        Args:
            used: whether anything else than a pass of the model has carried its steering.
        """
        if not self.asked and not used:
            elsewhere = ""
            if self.hooks.calls_elsewhere:
                elsewhere = " Other threads have run the model meanwhile, unsteered: begin the context in each of them."
            warnings.warn(
                "a steer context ended without a pass of the model in it: nothing was steered. It reaches what its own "
                "thread or task runs, so no threads begun inside of it, no copies or exports of the model, and no "
                f"replayed CUDA graphs.{elsewhere}",
                TrimtabWarning,
                stacklevel=4,
            )
        elif self.passes and self._must_push and not self.check.has_met_tokens and not used:
            chosen = ", ".join(sorted({c.positions for c in self.interventions if c is not None}))
            warnings.warn(
                f"a steer context ended and nothing was steered: no pass in it held a token at positions {chosen}",
                TrimtabWarning,
                stacklevel=4,
            )
        decided = self._decisions.prompts if self._decisions is not None else {}
        if decided and not any(any(said) for said in decided.values()):
            warnings.warn(
                f"the gate on the prompt opened for none of {len(decided)} prompts, so nothing was pushed",
                TrimtabWarning,
                stacklevel=4,
            )
        self.check.warn_of_rest()

    def arm(self, backbone: Backbone) -> None:
        """Put the hooks in place."""
        model, decoder = backbone.model, backbone.anatomy.decoder
        if model is not decoder:
            self.hooks.before(model, self._enter_model)
            self.hooks.after(model, self._leave_model)
        self.hooks.before(decoder, self._enter)
        self.hooks.after(decoder, self._leave)
        for layer in self.layers:
            module = backbone.anatomy.layers[layer]
            if self._is_gated(layer):
                # In front of every hook: contexts in one another are to see the same state as one push with another.
                self.hooks.after(module, self._look(layer), first=True)
            self.hooks.after(module, self._push_at(layer))

    @property
    def _now(self) -> Pass | None:
        now: Pass | None = getattr(self._local, "now", None)
        return now

    def _enter_model(self, model: nn.Module, args: Any, kwargs: Any) -> None:
        require_text(kwargs)
        self._places.require_told(kwargs)
        self._local.seen = False

    def _leave_model(self, model: nn.Module, args: Any, output: Any) -> None:
        if not self._local.seen:
            raise ModelError(
                f"{type(model).__name__} ran without its decoder's hooks, so this pass was not steered: its forward "
                "has been replaced, as by a script, an export or a CUDA graph. Steer the model as it was loaded"
            )

    def _enter(self, decoder: nn.Module, args: Any, kwargs: Any) -> None:
        """Before a pass: where each of its tokens stands."""
        self.asked += 1
        self.check.begin()
        now = self._places.locate(decoder, args, kwargs)
        if (rows := len(now.positions)) and len(self.interventions) not in (1, rows):
            raise SettingError(f"the batch has {rows} rows, but {len(self.interventions)} were given to steer")
        self._local.now = now

    def _leave(self, decoder: nn.Module, args: Any, output: Any) -> None:
        """After a pass: see that it was steered."""
        now, self._local.now, self._local.seen = self._now, None, True
        assert now is not None
        self.passes += 1
        if missed := [layer for layer in self.layers if layer not in now.ran]:
            raise ModelError(
                f"layer {missed[0]} did not run in a pass of the model, so it was not steered: the pass ended before "
                "it (early exit), or its module was exchanged or compiled. Steer the model as it was loaded"
            )
        self._places.note_output(output)
        self.check.settle(now.dtype)

    def _is_gated(self, layer: int) -> bool:
        """Whether any push at a layer has a condition."""
        cells = [c for c in self.interventions if c is not None and layer in c.layers]
        return any(aim.condition is not None for c in cells for aim, _ in c.aims_and_gates(layer))

    def _look(self, layer: int) -> Any:
        """A hook that remembers what a decoder layer gives before it is pushed."""

        def remember(module: nn.Module, args: Any, output: Any) -> None:
            if self._now is not None:
                self._now.before[layer] = hidden_of(output)

        return remember

    def _push_at(self, layer: int) -> Any:
        """The hook that pushes the output of one decoder layer."""
        cells = [
            (i, c, c.aims_and_gates(layer))
            for i, c in enumerate(self.interventions)
            if c is not None and layer in c.layers
        ]

        def steer(module: nn.Module, args: Any, output: Any) -> Any:
            now = self._now
            if now is None:
                raise ModelError(
                    f"layer {layer} runs outside of a pass of the decoder, so steering cannot tell where its tokens "
                    "stand; call the model, not its layers"
                )
            now.ran.add(layer)
            hidden = hidden_of(output)
            now.dtype = hidden.dtype
            before, base = now.before.pop(layer, hidden), _OUTER.base_of(hidden)
            if len(self.interventions) == 1:
                new, base = self._push(now, hidden, before, base, layer, *cells[0][1:], slice(None))
            else:
                new, bases = hidden.clone(), (hidden if base is None else base).clone()
                for row, cell, aims in cells:
                    one = slice(row, row + 1)
                    outer = None if base is None else base[one]
                    pushed = self._push(now, hidden[one], before[one], outer, layer, cell, aims, one)
                    new[one], bases[one] = pushed.hidden, pushed.hidden if pushed.base is None else pushed.base
                base = bases
            if several_act(self.hooks.model):
                _OUTER.note(new, base)
            return with_hidden(output, new)

        return steer

    def _push(
        self,
        now: Pass,
        hidden: Tensor,
        before: Tensor,
        base: Tensor | None,
        layer: int,
        cell: Intervention,
        pushes: Sequence[tuple[Aim, PromptGate | None]],
        rows: slice,
    ) -> Pushed:
        aims = [
            aim if gate is None else aim._replace(condition=Decided(now.opened[id(gate)][rows])) for aim, gate in pushes
        ]
        phases = None if now.phases is None else now.phases[rows].to(now.positions.device)
        marks = is_steered(cell.positions, now.positions[rows], now.prompt_lengths[rows], cell.first_token, phases)
        if now.real is not None:
            marks = marks & now.real[rows]
        marks = marks.to(hidden.device)
        return push_further(hidden, aims, marks, before, self.check.look(cell, layer), base)


class _OuterPushes(threading.local):
    """What the context around this one has pushed at a layer: pushes of both that add something are added up."""

    def __init__(self) -> None:
        self._pushed: ReferenceType[Tensor] | None = None
        self._base: Tensor | None = None

    def note(self, pushed: Tensor, base: Tensor | None) -> None:
        """States as they are now, and what a further push is measured on."""
        self._pushed, self._base = ref(pushed), base

    def base_of(self, hidden: Tensor) -> Tensor | None:
        """What a push of these states is measured on, if another context has made them; None: themselves."""
        noted = self._pushed is not None and self._pushed() is hidden
        base = self._base if noted else None
        self._pushed = self._base = None
        return base


_OUTER = _OuterPushes()
