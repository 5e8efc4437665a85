"""What a dataset of any size costs: rates measured on this machine, a plan from them, a simulated cluster."""
