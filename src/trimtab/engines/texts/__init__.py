"""What a loaded model makes of several texts at a time: written piece by piece, or scored token by token."""
