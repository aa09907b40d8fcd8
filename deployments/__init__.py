"""One room per stage, the same furniture in each: contract.py, deployment.py, engines/<name>.py."""
