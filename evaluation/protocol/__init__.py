"""What is compared and how: variants, ways to select references."""
