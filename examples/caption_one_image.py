"""Caption one picture, watch it being written, and look at every denoising step.

python caption_one_image.py [IMAGE]
"""

import sys
from pathlib import Path

import rediff


def main(arguments: list[str]) -> None:
    model = rediff.load("rediff")
    image = Path(arguments[0]) if arguments else rediff.scene(3).image

    result = model.caption(
        image,
        steps=10,
        trace=True,
        on_step=lambda step: print(int(step.masked.sum()), "masks left"),
    )
    print(result.text)
    assert result.trace is not None
    print(result.trace)
    rediff.plot_trace(result.trace, Path("trace.png"))


if __name__ == "__main__":
    main(sys.argv[1:])
