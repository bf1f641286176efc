"""A metric of your own: one number for each caption. A task names it; tables show it.

rediff-eval run --plugin custom_metric.py --task custom_task/task.yaml --model rediff
"""

from rediff_eval import Answer, Sample, register_sample_metric

VAGUE = frozenset({"some", "something", "several", "various", "many", "thing", "things"})


@register_sample_metric("vagueness", digits=2, lower_is_better=True)
def vagueness(sample: Sample, answer: Answer) -> float | None:
    """Share of the words that say nothing in particular; None for a caption without words."""
    words = answer.text.lower().replace(".", " ").replace(",", " ").split()
    return sum(word in VAGUE for word in words) / len(words) if words else None
