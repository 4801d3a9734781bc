"""What the two command lines share: options, errors, output, the doctor."""
