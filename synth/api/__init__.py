"""The package from Python: a whole recipe, one stage alone, one question to a teacher. Works in notebooks as well."""
