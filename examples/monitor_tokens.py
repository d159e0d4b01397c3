"""Fit a linear probe for a behavior, test it on held-out pairs, and mark the tokens of a text that show the behavior.

    python examples/monitor_tokens.py

Runs the bundled model on a CPU in about a minute.
"""

import trimtab as tt
from trimtab.monitors import MonitorEvaluation, fit_monitor, test_monitor

TEXT = "I looked at the weather report. What a wonderful day, I can hardly wait! It rained in the end."


def main(pairs: int = 60) -> MonitorEvaluation:
    """Print how well the probe detects the behavior, and a text with the tokens that it fires on; return the test."""
    model = tt.load()
    train, select, test = tt.dataset("cheerful")[:pairs].split(seed=0)
    monitor = fit_monitor(model, train, select)
    tested = test_monitor(monitor, model, test)
    print(f"{monitor}: AUROC of texts {tested.texts.auroc:.2f}, of tokens {tested.tokens.auroc:.2f}\n")
    read = monitor.score(model, TEXT)
    reply = read.messages[-1].number
    tokens = [(p, logit) for p, logit, owner in zip(read.pieces, read.logit, read.owner, strict=True) if owner == reply]
    print("".join(f"[{piece}]" if logit > 0 else piece for piece, logit in tokens))
    return tested


if __name__ == "__main__":
    main()
