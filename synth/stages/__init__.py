"""The way of the data, one module per stage. Stages never import each other; `synth.pipeline` puts them in order."""
