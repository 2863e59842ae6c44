"""The lab: trains, samples, loads and fine-tunes the model of a submission, on real data.

Everything that is an exercise comes from the submission's own files. The lab is what stands
around them: data, checkpoints, logs, pictures, devices.
"""
