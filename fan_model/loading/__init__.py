"""From a pipeline's files into memory: number types, quantization, adapters, kernels, and where it all lies.

Whoever draws loads here; the settings of `[model]` and a deployment are the fields of `Execution`.
"""
