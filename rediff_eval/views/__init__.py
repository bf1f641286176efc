"""Views of results: tables, plots, comparisons, traces and the report."""
