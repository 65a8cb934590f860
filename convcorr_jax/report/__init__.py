"""What people look at: figures and the page that shows them beside the published numbers."""
