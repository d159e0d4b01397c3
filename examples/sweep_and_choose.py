"""Steer at many layers and strengths in one pass; choose the best layer on other prompts than it is reported on.

    python examples/sweep_and_choose.py

Runs the bundled model on a CPU in about half a minute.
"""

from collections.abc import Sequence

import trimtab as tt


def main(pairs: int = 60, layers: Sequence[int] = (8, 11, 14, 17, 20, 23), prompts: int = 16) -> tt.Best:
    """Print the effect at every layer and the best one; return that."""
    model = tt.load()
    train, select, test = tt.dataset("cheerful")[:pairs].split(seed=0)
    vectors = tt.extract(model, train)
    sweep = tt.sweep(
        model,
        vectors,
        select[:prompts],
        test=test[:prompts],
        layers=layers,
        strengths=[-0.1, 0.1],
    )
    columns = ["layer", "depth", "split", "delta", "glass", "glass_low", "glass_high"]
    print(sweep.effects[columns].round(2).to_string(index=False))
    best = sweep.best()
    print(f"\nbest: {best}")
    return best


if __name__ == "__main__":
    main()
