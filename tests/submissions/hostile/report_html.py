# verdict: fail
# group: 11
# status: error
# tries: an exception type, message and parameter names that are HTML and script
import torch
from torch import nn


PAGE = "</pre></table><script>document.title='PASS'</script><h1 style=color:green>PASS</h1>"
Html = type("<img src=x onerror=alert(1)>", (Exception,), {})


class Loud(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.register_parameter("<b>PASS</b>", nn.Parameter(torch.ones(1)))

    def forward(self, x):
        raise Html(PAGE)


CausalSelfAttention = MLP = TransformerBlock = GPT2 = Loud
