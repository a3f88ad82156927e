"""What is checked and estimated before anything is trained."""
