"""Looking into features by their nearest neighbours in a database of patches (Long et al. 2014, section 2)."""
