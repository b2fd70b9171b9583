"""Items to answers: the ledger, the run loop, retries, slots, budget. The only place that starts tasks."""
