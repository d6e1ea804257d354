"""Models of frames: each fits on windows of frames and continues prompts, behind one interface.

``base`` is the interface, ``registry`` the models by name, ``files`` their folders on disk.

Glossary, of music in pieces and of what is done with them here:

frame           spectrum of one moment, ``(n_bins,)`` in [0, 1]; 86 a second by default
step            ``stack_frames`` frames that a model draws at once; 43 a second by default
window          ``window_frames + 1`` frames in a row, what training batches are made of
segment         samples of a clip that are in one part (train, validation, test) of the split
passage         2.5 s that evaluation looks for near-copies in
clip            a file of ``data/raw``, 30 s by default; recording: the whole piece it was cut from
inputs, targets the steps before, and at the same places the steps to be predicted from them
crop            the part of a window that one training step is on
onset           a rise of the frames, where a note begins or a drum is hit
latents         principal components of a step, standardised by their std in training
detail          what of the frames latents leave out, as a small network predicts it from them
instance norm   latents relative to the mean and std of their own sequence (RevIN)
backbone        the recurrent network that runs over the steps
conditioning    features beside the latents: style, beat clock, bar lags, harmony plan
head            what turns a state of the backbone into a distribution over the next step
variance weighting   latents count, as inputs and in the loss, by how much they vary
codes           a step as indices into residual codebooks (residual vector quantisation)
rollout         continuing a prompt: each step drawn is an input of the next
uniforms        random numbers in [0, 1) that a sampler turns into draws; nothing else is random
"""
