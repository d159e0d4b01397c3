"""What a study can measure, one package for each measure."""
