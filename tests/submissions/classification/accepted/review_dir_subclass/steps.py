import torch
def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    crit = torch.nn.functional.cross_entropy
    def closure():
        optimizer.zero_grad()
        l = crit(classifier(idx, lengths), labels)
        l.backward()
        if max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
        return l
    return optimizer.step(closure).item()
