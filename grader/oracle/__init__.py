"""GPT-2 in NumPy float64: the reference, and the search for the layout of somebody's weights.

Written from the brief and the GPT-2 paper, apart from the worked solution. Imports no torch.
"""
