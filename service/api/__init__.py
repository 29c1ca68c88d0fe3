"""HTTP over the workflow: schemas, problems, authentication, and one file per resource."""
