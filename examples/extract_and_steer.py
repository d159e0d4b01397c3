"""Extract a steering vector from contrastive pairs, look at it, and steer a reply with it.

    python examples/extract_and_steer.py

Runs the bundled model on a CPU in about ten seconds.
"""

import trimtab as tt


def main(pairs: int = 40, max_new_tokens: int = 30) -> None:
    """Print the vector's facts, and a reply unsteered, steered toward and away from the behavior."""
    model = tt.load()
    vectors = tt.extract(model, tt.dataset("cheerful")[:pairs])
    print(f"{model}\n{len(vectors.norm)} directions; the longest is {float(vectors.norm.max()):.2f} long\n")

    question = "How was your day?"
    print(f"unsteered: {model.chat(question, max_new_tokens=max_new_tokens)}\n")
    for strength in (0.2, -0.2):
        # Each token is moved by this share of its own norm, so strengths compare between layers and models.
        with model.steer(vectors, layer=14, strength=strength):
            print(f"{strength:+}: {model.chat(question, max_new_tokens=max_new_tokens)}\n")


if __name__ == "__main__":
    main()
