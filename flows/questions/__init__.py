"""What is asked of a workspace, read only: SQL, why a picture is as it is, search, copies of pictures."""
