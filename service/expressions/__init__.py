"""CEL: what policies are written in. The only room that knows the language; wiring hands it to workflow."""
