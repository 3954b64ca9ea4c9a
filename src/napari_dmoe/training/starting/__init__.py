"""What a training starts from: recipes, new networks, new routers."""
