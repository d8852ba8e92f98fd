"""How far pairs reach: decay lengths, their models and their theory."""
