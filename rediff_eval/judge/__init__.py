"""Models that judge captions: what they are asked, how they answer, and what is paid."""
