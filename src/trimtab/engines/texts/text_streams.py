"""Several texts that are written side by side and read piece by piece."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from trimtab.engines.model import Model
from trimtab.engines.requests import Request


def stream_texts(model: Model, requests: Sequence[Request]) -> Generator[tuple[int, str, bool], None, None]:
    """Write texts in the same passes; yield (request, what a token adds to its text, whether that was the last).

    The `steer` contexts of this call count. Closing the iterator stops the work.

    Raises:
        DataError: For a prompt behind which the model has no room.
        SettingError: For a layer that the model does not have, or a push that changes nothing.
    """
    fitted = model._lengths.fitted(requests)
    done = [""] * len(fitted)
    with closing(model._with_steering(fitted, model.engine.write)) as writings:  # type: ignore[type-var]  # a generator
        for index, writing in writings:
            text = writing.text
            piece, done[index] = text[len(done[index]) :], text
            yield index, piece, writing.finish is not None
