"""Who computes the denoising pass: torch, or ONNX Runtime. One protocol, chosen in one place."""
