"""Facial landmarks by ridge regression with look-back (Sharif Razavian et al. 2014, section 3.1)."""
