"""What people look at: tables, plots, comparisons, traces and the report."""
