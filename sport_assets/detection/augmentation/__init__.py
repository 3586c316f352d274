"""Training pictures of the detection line varied by chance, with boxes that stay exact. OpenCV and NumPy, no torch.

Belongs here: what is done to an image and its boxes before a network sees them in training. Must not come here: reading
images and labels, batches, anything that prediction needs.
"""
