"""The report on a giant AI training cluster: facts, scenarios, questions, figures, pages and the command line."""
