"""What this plugin contributes to LLLM."""
