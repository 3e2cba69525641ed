"""Print a page of the embedded world's stories as Markdown, each sentence followed by the concepts that it
expresses.

    python scripts/print_stories.py [--stories 12] [--seed 7] > docs/world_stories.md
"""

import argparse

from saesteer.world.story import tell
from saesteer.world.surface import join


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stories", type=int, default=12)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    print("# A page of the embedded world\n")
    print("Drawn, not chosen (`python scripts/print_stories.py`). After each sentence, the")
    print("concepts that it expresses; sentences without a tag express none.\n")
    for i in range(args.stories):
        story = tell(args.seed * 1_000_003 + i)
        print(f"**{i + 1}.** ", end="")
        for sentence in story.sentences:
            tags = ", ".join(sentence.concepts)
            print(join(sentence.words) + (f" *[{tags}]*" if tags else ""), end=" ")
        print("\n")


if __name__ == "__main__":
    main()
