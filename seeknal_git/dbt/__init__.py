"""A dbt project, read as text and turned into files of nodes. Nothing of it is executed."""
