"""Who asks the service, what each may ask for, and what it costs. Only the service comes here."""
