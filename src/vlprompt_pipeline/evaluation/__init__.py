"""From predictions to what is said about them: protocols, metrics, records, tables, pages."""
