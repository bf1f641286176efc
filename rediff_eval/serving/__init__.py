"""Models as a server: OpenAI's chat completions, and a page on which captions are watched."""
