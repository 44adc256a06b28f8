"""Who asks the service, what each may ask for, and what it costs. Only `service` comes here."""
