"""What is asked about one caption, and how often, a module a metric."""
